-- Version 2: rules have a tier, margins may be relative, and a budget is a kind of rule.
alter table comparisons add column tier varchar default 'critical';
alter table comparisons add column relative boolean default false;  -- difference, low, high and margin: shares of the baseline
alter table comparisons add column sd double;                       -- of the differences between the two sides
alter table comparisons add column detectable double;               -- smallest true difference this exam tells from none

alter table suites add column items varchar;     -- sha256 of inputs and targets alone: the same questions, however marked

create table gates_2 (                           -- DuckDB cannot change a check
    experiment_id varchar not null,
    position integer not null,
    kind varchar not null check (kind in ('validity', 'gain', 'harm', 'budget')),
    tier varchar not null check (tier in ('critical', 'supporting', 'advisory')),
    name varchar not null,
    rule varchar not null,
    measured varchar not null,
    status varchar not null check (status in ('pass', 'fail', 'unknown')),
    primary key (experiment_id, position)
);
insert into gates_2 select experiment_id, position, kind, 'critical', name, rule, measured, status from gates;
drop table gates;
alter table gates_2 rename to gates;

alter table completions add column scores json;  -- marks that came with a recorded answer, by name
