-- Version 7: what a server was found to accept is evidence too.
create table evidence_2 (
    experiment_id varchar not null,
    topic varchar not null check (topic in ('judge', 'candidate', 'trouble', 'endpoint')),
    name varchar not null,
    value double check (isfinite(value)),
    low double check (isfinite(low)),
    high double check (isfinite(high)),
    n integer not null,
    note varchar not null,
    primary key (experiment_id, topic, name)
);
insert into evidence_2 by name select * from evidence;
drop table evidence;
alter table evidence_2 rename to evidence;
