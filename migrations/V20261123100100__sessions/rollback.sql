-- Signs everybody out.
drop table sessions;
