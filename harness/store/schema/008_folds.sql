-- Version 8: cross-validation. Each fold has an experiment of its own, under the one that decides on all of them.
create table folds (
    fold_id varchar primary key,                 -- the experiment of the fold
    experiment_id varchar not null,              -- the one that decides
    fold integer not null check (fold >= 1)
);

create table splits_2 (                          -- DuckDB cannot change a check
    split_id varchar not null,
    example_id varchar not null,
    side varchar not null check (side in ('train', 'validation', 'test') or side like 'fold %'),
    primary key (split_id, example_id)
);
insert into splits_2 by name select * from splits;
drop table splits;
alter table splits_2 rename to splits;
