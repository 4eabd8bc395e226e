-- Loses no data.
drop function user_search_steps(text);
drop function user_grams(bigint, text, text);
