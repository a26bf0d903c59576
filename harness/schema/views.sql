-- The contract: what reports, `harness query` and users read. Made anew whenever a store is brought to a new version.
create or replace view v_experiments as
    select e.experiment_id, e.name, e.file, e.created_at, d.verdict, d.exit_code, d.headline
    from experiments e left join decisions d using (experiment_id);

create or replace view v_runs as
    select a.experiment_id, e.name as experiment, a.side, a.arm, a.chosen, s.name as suite, s.kind, a.metric,
        a.metric = s.primary_metric as is_primary, a.n, a.n_unscored, a.mean, a.low, a.high, r.n_errors, r.model_name,
        r.seed, r.seconds, r.created_at, a.run_id, r.suite_id, r.identity
    from arms a join experiments e using (experiment_id) join runs r using (run_id)
        join suites s on s.suite_id = r.suite_id;

create or replace view v_scores as
    select sc.run_id, r.arm, s.name as suite, s.kind, sc.example_id, x.cluster_id, x.slices, sc.metric, sc.value, sc.reason
    from scores sc join runs r using (run_id) join suites s on s.suite_id = r.suite_id
        join examples x on x.suite_id = r.suite_id and x.example_id = sc.example_id;

create or replace view v_completions as
    select n.run_id, r.arm, s.name as suite, s.kind, n.example_id, x.input, x.target, c.prompt, c.text, c.finish,
        c.tokens_in, c.tokens_out, c.seconds, c.error
    from answers n join runs r using (run_id) join suites s on s.suite_id = r.suite_id
        join completions c using (completion_id)
        join examples x on x.suite_id = r.suite_id and x.example_id = n.example_id;

create or replace view v_costs as
    select run_id, count(*) as n, sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out, sum(seconds) as seconds,
        avg(tokens_in) as mean_tokens_in, avg(tokens_out) as mean_tokens_out,
        quantile_cont(seconds, 0.95) as p95_seconds, avg((finish = 'length')::int) as length_share
    from v_completions where error is null group by run_id;

create or replace view v_training as
    select x.experiment_id, t.*, l.step, l.name, l.value
    from experiment_training x join training t using (training_id) left join training_log l using (training_id);

create or replace view v_findings as select * from findings;
create or replace view v_verdicts as select * from verdicts;
create or replace view v_evidence as select * from evidence;
create or replace view v_comparisons as select * from comparisons;
create or replace view v_gates as select * from gates;
create or replace view v_stages as select * from stages;

create or replace view v_decisions as
    select d.*, e.name, e.file, e.frozen,
        (select count(distinct other.experiment_id)
            from v_runs mine join v_runs other on other.suite_id = mine.suite_id
                join decisions decided on decided.experiment_id = other.experiment_id
            where mine.experiment_id = d.experiment_id and mine.kind = 'task') as test_set_looks
    from decisions d join experiments e using (experiment_id);

create or replace view v_looks as                           -- by decided experiment: every decision on its test set, its own
    with exams as (                                         -- included; the same questions however they are marked
        select suite_id,
            sha256(string_agg(concat_ws(chr(31), input, target), chr(30) order by input, target)) as questions
        from examples semi join (from suites where kind = 'task') using (suite_id) group by suite_id),
    looks as (
        select distinct a.experiment_id, x.questions
        from arms a join runs r using (run_id) join exams x using (suite_id) semi join decisions using (experiment_id))
    select mine.experiment_id, o.experiment_id as other_id, e.name, e.created_at as registered_at,
        coalesce(s.finished_at, o.created_at) as decided_at,    -- for the first time; deciding again changes created_at
        o.verdict, o.exit_code, e.frozen
    from looks mine join looks other using (questions) join decisions o on o.experiment_id = other.experiment_id
        join experiments e on e.experiment_id = o.experiment_id
        left join stages s on s.experiment_id = o.experiment_id and s.stage = 'decide';

create or replace view v_flips as                           -- test and regression examples answered better or worse
    select b.experiment_id, b.kind, b.suite, b.metric, x.example_id, x.input, x.target, x.slices,
        b.arm as baseline_arm, before.value as baseline_value, was.text as baseline_text,
        c.arm as candidate_arm, after.value as candidate_value, became.text as candidate_text,
        -- what each model read, to the letter; how recorded answers were asked for is not known
        case when b.identity->>'engine' not like 'recorded%' then was.prompt end as baseline_prompt,
        case when c.identity->>'engine' not like 'recorded%' then became.prompt end as candidate_prompt
    from v_runs b
        join v_runs c on c.experiment_id = b.experiment_id and c.suite_id = b.suite_id and c.metric = b.metric
        join scores before on before.run_id = b.run_id and before.metric = b.metric
        join scores after on after.run_id = c.run_id and after.metric = b.metric and after.example_id = before.example_id
        join examples x on x.suite_id = b.suite_id and x.example_id = before.example_id
        join answers ab on ab.run_id = b.run_id and ab.example_id = x.example_id
        join completions was on was.completion_id = ab.completion_id
        join answers ac on ac.run_id = c.run_id and ac.example_id = x.example_id
        join completions became on became.completion_id = ac.completion_id
    where b.side = 'base' and c.side = 'candidate' and b.chosen and c.chosen and b.is_primary
        and b.kind in ('task', 'regression') and before.value <> after.value;
