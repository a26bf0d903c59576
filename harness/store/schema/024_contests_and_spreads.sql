-- Version 24: a judge may decide, and decoding has its part in the noise of any mark.
-- Two runs' answers before a judge that decides: prompts on validation, and the candidate with every other prompt.
create table contests (                          -- the judge's word on one pair in one order; null grade: unreadable
    experiment_id varchar not null,
    run_id varchar not null,                     -- whose answer is the first of the pair
    against varchar not null,                    -- the run of the other answer
    example_id varchar not null,
    own_first boolean not null,                  -- whether the answer of `run_id` was shown first
    grade varchar check (grade in ('first', 'second', 'tie')),
    raw varchar not null,
    rubric varchar not null,
    judge json not null,
    longer varchar not null check (longer in ('first', 'second', 'tie')),
    primary key (experiment_id, run_id, against, example_id, own_first)
);

-- Of a question that was answered several times, how far the marks of its answers lie apart.
alter table scores add column spread double;     -- their variance, without bias; null for one answer
