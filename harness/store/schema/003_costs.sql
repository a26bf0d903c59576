-- Version 3: what answering and training cost. Money is in the experiment's currency; null: not known.
create table prices (                            -- as the experiment file gives them, or from the price list of that day
    experiment_id varchar not null,
    side varchar not null check (side in ('base', 'candidate')),
    name varchar not null,                       -- on the price list; empty for numbers of the experiment file
    input double check (isfinite(input)),        -- per million tokens
    output double check (isfinite(output)),
    per_hour double check (isfinite(per_hour)),
    as_of varchar not null,
    source varchar not null,
    primary key (experiment_id, side)
);

create table arm_costs (                         -- one arm on the task's exam
    experiment_id varchar not null,
    run_id varchar not null,
    side varchar not null check (side in ('base', 'candidate')),
    cost double check (isfinite(cost)),          -- per 1,000 requests
    cost_low double check (isfinite(cost_low)),
    cost_high double check (isfinite(cost_high)),
    cost_n integer not null,
    p95_seconds double check (isfinite(p95_seconds)),
    p95_low double check (isfinite(p95_low)),
    p95_high double check (isfinite(p95_high)),
    p95_n integer not null,
    unpriced varchar not null,                   -- why there is a price and no cost
    primary key (experiment_id, run_id, side)
);

create table break_even (                        -- from which volume on the candidate is cheaper than the best prompt
    experiment_id varchar primary key,
    currency varchar not null,
    confidence double not null,
    baseline_run varchar not null,
    candidate_run varchar not null,
    training_seconds double check (isfinite(training_seconds)),
    training_cost double check (isfinite(training_cost)),
    retrain_months double not null,
    upkeep double check (isfinite(upkeep)),      -- a month, like hosting
    hosting double not null check (isfinite(hosting)),
    saving double check (isfinite(saving)),      -- per 1,000 requests
    saving_low double check (isfinite(saving_low)),
    saving_high double check (isfinite(saving_high)),
    n integer not null,
    requests double check (isfinite(requests)),  -- a month; null with a saving: never, and an end: not shown
    requests_low double check (isfinite(requests_low)),
    requests_high double check (isfinite(requests_high)),
    requests_per_month bigint,                   -- what is expected
    told varchar not null
);
