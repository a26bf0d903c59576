-- Version 23: searches of the bar, what each found, and how its arms did.
create table searches (
    experiment_id varchar not null,
    search varchar not null,                     -- the arm that it stands for
    found varchar not null,                      -- what the winner is called among its arms
    entry json not null,                         -- the winner as an entry of `baselines`
    same_as varchar not null,                    -- the arm of the bar that asks the same; empty where none does
    arms integer not null,
    budget bigint not null,                      -- tokens that it may take
    spent bigint not null,                       -- and took, answers on record among them
    making bigint not null,                      -- of those, to make instructions
    primary key (experiment_id, search)
);

create table search_trials (                     -- an arm in a round, on all validation rows it was asked by then
    experiment_id varchar not null,
    search varchar not null,
    round integer not null,                      -- from 1
    place integer not null,                      -- from 1, the best
    arm varchar not null,
    entry json not null,                         -- as an entry of `baselines`
    stays boolean not null,                      -- in the next round, or as the winner
    n integer not null,
    n_unscored integer not null,
    score double check (isfinite(score)),
    low double check (isfinite(low)),
    high double check (isfinite(high)),
    tokens double not null check (isfinite(tokens)),    -- read and written, a request
    seconds double not null check (isfinite(seconds)),  -- a request
    cost double check (isfinite(cost)),          -- of 1,000 requests at a price for tokens; null without one
    primary key (experiment_id, search, round, arm)
);
