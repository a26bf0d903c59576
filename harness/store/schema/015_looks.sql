-- Version 15: the level at which a comparison was made, the look it was, and what it is whatever the missing marks are.
alter table comparisons add column level double;
alter table comparisons add column look integer; -- how often these questions had been looked at, this time included
alter table comparisons add column low_missing double;  -- the lower end with the missing marks at their worst
alter table comparisons add column high_missing double; -- the upper end with the missing marks at their best
update comparisons set look = 1, level = case when kind = 'task' then confidence else 2 * confidence - 1 end;

-- The questions of test sets, as they read without case, spacing and punctuation: looks at them are counted by question.
create macro question_of(input) as md5_number_lower(trim(regexp_replace(
    lower(nfc_normalize(input)), '[^\p{L}\p{M}\p{N}+*/=<>^#-]+', ' ', 'g')));
create table questions (
    suite_id varchar not null,
    question ubigint not null,
    primary key (suite_id, question)
);
insert into questions
    select distinct suite_id, question_of(input) from examples join suites using (suite_id) where kind = 'task';
