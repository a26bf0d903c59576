-- Version 21: the bar may be another model than the candidate's base, at a server and a price of its own.
create table bar_prices (                        -- as the experiment file gives them, or from the price list of that day
    experiment_id varchar not null,
    model varchar not null,                      -- what it is called
    name varchar not null,                       -- on the price list; empty for numbers of the experiment file
    input double check (isfinite(input)),        -- per million tokens
    output double check (isfinite(output)),
    per_hour double check (isfinite(per_hour)),
    as_of varchar not null,
    source varchar not null,
    primary key (experiment_id, model)
);

create table bar_endpoints (                     -- what its server was found to accept
    experiment_id varchar not null,
    model varchar not null,
    temperature boolean not null,
    seed boolean not null,
    logprobs boolean not null,
    json_mode boolean not null,
    primary key (experiment_id, model)
);
