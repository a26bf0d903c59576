-- Version 5: which side of a split each row of the training file is on, so that the next run has the same one.
create table splits (
    split_id varchar not null,                   -- sha256 of the sides of all rows
    example_id varchar not null,
    side varchar not null check (side in ('train', 'validation', 'test')),
    primary key (split_id, example_id)
);

create table experiment_splits (
    experiment_id varchar primary key,
    recipe varchar not null,                     -- sha256 of the file's place and the settings of the split
    split_id varchar not null,
    created_at timestamp not null default current_timestamp
);
