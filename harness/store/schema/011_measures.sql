-- Version 11: what `evidence` held is in tables that say what they hold.
create table judge_measures (                    -- how far a judge can be trusted: shares with their intervals
    experiment_id varchar not null,
    name varchar not null,
    value double check (isfinite(value)),
    low double check (isfinite(low)),
    high double check (isfinite(high)),
    n integer not null,
    note varchar not null,
    primary key (experiment_id, name)
);
insert into judge_measures
    select experiment_id, name, value, low, high, n, note from evidence where topic = 'judge';

create table trouble (                           -- weights that are no numbers, or a training that diverged
    experiment_id varchar not null,
    stage varchar not null check (stage in ('baseline', 'train', 'exam')),
    side varchar not null check (side in ('base', 'candidate')),
    note varchar not null,
    primary key (experiment_id, stage)
);
insert into trouble                              -- that of a fold was told of the whole too; the fold has it itself
    select experiment_id, case name when 'base' then 'baseline' when 'training' then 'train' else 'exam' end,
        if(name = 'base', 'base', 'candidate'), note
    from evidence where topic = 'trouble' and not regexp_matches(name, '^fold \d+, ');

create table endpoints (                         -- what a server was found to accept
    experiment_id varchar not null,
    model varchar not null check (model in ('base', 'candidate', 'judge')),
    temperature boolean not null,
    seed boolean not null,
    logprobs boolean not null,
    json_mode boolean not null,
    primary key (experiment_id, model)
);
insert into endpoints
    select experiment_id, name, contains(note, 'temperature yes'), contains(note, 'seed yes'),
        contains(note, 'logprobs yes'), contains(note, 'json mode yes')
    from evidence where topic = 'endpoint';

create table adapter_effects (                   -- the largest change of a logit that the candidate's adapter makes
    experiment_id varchar primary key,
    adapter varchar not null,                    -- its hash
    effect double not null check (isfinite(effect)),
    n integer not null                           -- prompts it was measured on
);
insert into adapter_effects
    select experiment_id, note, value, n from evidence
    where topic = 'candidate' and name = 'effect' and value is not null;

-- The held-out pairs on which a training's reward model prefers the chosen answer, at the experiment's confidence.
alter table experiment_training add column reward_accuracy double;
alter table experiment_training add column reward_low double;
alter table experiment_training add column reward_high double;
alter table experiment_training add column reward_n integer;
update experiment_training set reward_accuracy = e.value, reward_low = e.low, reward_high = e.high, reward_n = e.n
    from evidence e where e.experiment_id = experiment_training.experiment_id
        and e.topic = 'candidate' and e.name = 'reward_accuracy';

drop view if exists v_evidence;
drop table evidence;
