-- Sessions go on; how they were proved, and that they were proved again, is forgotten.
alter table sessions
  drop column methods,
  drop column authenticated_at;
