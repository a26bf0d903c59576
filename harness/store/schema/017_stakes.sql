-- Version 17: what is at stake beside the verdict. Money is a month's, in the experiment's currency; null: not valued.
create table stakes (
    experiment_id varchar primary key,
    min_gain double not null,                        -- as asked for; where it is a share, of the baseline's score
    above_min_gain double not null check (isfinite(above_min_gain)),  -- the chance that the gain exceeds it
    above_zero double not null check (isfinite(above_zero)),          -- and that there is any
    currency varchar not null,
    value_per_point double check (isfinite(value_per_point)),         -- what a point (0.01) more is worth
    running double check (isfinite(running)),        -- what the candidate costs more than the prompt
    deploying double check (isfinite(deploying)),    -- what deploying is worth on average
    wrong double check (isfinite(wrong)),            -- what it loses where it is wrong
    waiting double check (isfinite(waiting)),        -- what keeping the prompt forgoes where that is wrong
    months double,
    examples integer,                                -- further ones
    information double check (isfinite(information)),  -- what they are worth over the months
    told varchar not null
);
