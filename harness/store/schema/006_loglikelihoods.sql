-- Version 6: log-likelihoods already computed, so that a baseline's multiple-choice exams are asked once as its answers are.
create table loglikelihoods (
    loglikelihood_id varchar primary key,        -- sha256 of weights, adapter, template, engine, dtype, context, continuation
    logprob double not null check (isfinite(logprob)),
    is_greedy boolean not null
);
