-- Version 20: what a decision rests on says what it held, so that an edit is told before the decision is trusted.
create table decision_digests (
    experiment_id varchar not null,
    about varchar not null,                      -- a table
    digest varchar not null,                     -- sum of the md5 of each of its rows that the decision rests on
    primary key (experiment_id, about)
);
