-- The contract: what reports, `harness query` and users read. Made anew whenever a store is brought to a new version.
create or replace view v_experiments as         -- every experiment, with its verdict once there is one
    select e.experiment_id, e.name, e.file, e.created_at, d.verdict, d.exit_code, d.headline,
        f.experiment_id as part_of               -- of a fold: the experiment that decides on all folds
    from experiments e left join decisions d using (experiment_id) left join folds f on f.fold_id = e.experiment_id;

create or replace view v_runs as                -- one row an arm, suite and metric: the score with its interval
    select a.experiment_id, e.name as experiment, a.side, a.arm, a.chosen, s.name as suite, s.kind, a.metric,
        a.metric = s.primary_metric as is_primary, a.n, a.n_unscored, a.mean, a.low, a.high, r.n_errors, r.model_name,
        r.seed, r.seconds, r.created_at, a.run_id, r.suite_id, r.identity
    from arms a join experiments e using (experiment_id) join runs r using (run_id)
        join suites s on s.suite_id = r.suite_id;

create or replace view v_scores as              -- one row an answer and metric: its mark, or why there is none
    select sc.run_id, r.arm, s.name as suite, s.kind, sc.example_id, x.cluster_id, x.slices, sc.metric, sc.value, sc.reason
    from scores sc join runs r using (run_id) join suites s on s.suite_id = r.suite_id
        join examples x on x.suite_id = r.suite_id and x.example_id = sc.example_id;

create or replace view v_completions as         -- one row an answer: what was asked, to the letter, and what was marked
    select n.run_id, r.arm, s.name as suite, s.kind, n.example_id, x.input, x.target, x.others, c.prompt,
        coalesce(n.answer, c.text) as text, if(n.thinking = 'cut', 'length', c.finish) as finish,
        c.tokens_in, c.tokens_out, c.seconds, c.error, c.scores as recorded_scores, n.thinking,
        -- all that came, where thinking was taken off it
        case when n.answer is not null then concat_ws(chr(10), nullif(c.reasoning, ''), c.text) end as raw
    from answers n join runs r using (run_id) join suites s on s.suite_id = r.suite_id
        join completions c using (completion_id)
        join examples x on x.suite_id = r.suite_id and x.example_id = n.example_id;

create or replace view v_costs as               -- tokens and seconds of each run's answers
    select run_id, count(*) as n, sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out,
        sum(seconds::decimal(18, 9))::double as seconds,  -- exact, in whatever order threads add
        avg(tokens_in) as mean_tokens_in, avg(tokens_out) as mean_tokens_out,
        quantile_cont(seconds, 0.95) as p95_seconds, avg((finish = 'length')::int) as length_share
    from v_completions where error is null group by run_id;

create or replace view v_prices as              -- what each side's answers are paid by; `model`: another one than the base
    select *, '' as model from prices
    union all by name
    select *, 'base' as side from bar_prices;

create or replace view v_arm_costs as                       -- what 1,000 requests cost, and how long the slowest 5 % take
    select a.experiment_id, e.name as experiment, c.side, a.arm, a.chosen, c.cost, c.cost_low, c.cost_high, c.cost_n,
        c.p95_seconds, c.p95_low, c.p95_high, c.p95_n, c.unpriced, c.run_id
    from arm_costs c join experiments e using (experiment_id)
        join (select distinct experiment_id, run_id, side, arm, chosen from arms) a using (experiment_id, run_id, side);

create or replace view v_break_even as                      -- from which volume on the candidate is cheaper
    select b.*, e.name as experiment, was.arm as baseline_arm, became.arm as candidate_arm, b.upkeep + b.hosting as fixed,
        was.cost as baseline_cost, was.cost_low as baseline_low, was.cost_high as baseline_high,
        became.cost as candidate_cost, became.cost_low as candidate_low, became.cost_high as candidate_high,
        requests_per_month / 1000 * was.cost as baseline_month,
        requests_per_month / 1000 * was.cost_low as baseline_month_low,
        requests_per_month / 1000 * was.cost_high as baseline_month_high,
        requests_per_month / 1000 * became.cost + b.upkeep + b.hosting as candidate_month,
        requests_per_month / 1000 * became.cost_low + b.upkeep + b.hosting as candidate_month_low,
        requests_per_month / 1000 * became.cost_high + b.upkeep + b.hosting as candidate_month_high
    from break_even b join experiments e using (experiment_id)
        join v_arm_costs was on was.experiment_id = b.experiment_id and was.run_id = b.baseline_run
            and was.side = 'base'
        join v_arm_costs became on became.experiment_id = b.experiment_id and became.run_id = b.candidate_run
            and became.side = 'candidate';

create or replace view v_stakes as                          -- chances of the gain, and what a month is worth under them
    select s.*, e.name as experiment from stakes s join experiments e using (experiment_id);

create or replace view v_training as            -- how candidates were trained, one row a line of the training's log
    select x.*, t.* exclude (training_id, preferred), l.step, l.name, l.value
    from experiment_training x join training t using (training_id) left join training_log l using (training_id);

create or replace view v_repeats as                         -- further trainings: other seeds, shares of the rows, trials of a sweep
    select r.*, t.method, t.seconds, t.best_step, t.n_rows
    from repeats r left join training t using (training_id);

create or replace view v_findings as            -- what the data checks found
    select * from findings;
create or replace view v_verdicts as            -- the judge's word on one pair in one order; no grade: unreadable
    select * from verdicts;
create or replace view v_contests as            -- the same of two runs, where a judge decides: on validation, and beside other prompts
    select * from contests;
create or replace view v_judge_measures as      -- how far the judge can be trusted: shares with their intervals
    select * from judge_measures;
create or replace view v_endpoints as           -- what the servers that were asked accept
    from endpoints union all by name from bar_endpoints;
create or replace view v_adapter_effects as     -- the largest change of a logit by a candidate's adapter
    select * from adapter_effects;

create or replace view v_searches as            -- what searches of the bar found, under which budget of tokens
    select * from searches;
create or replace view v_search_trials as       -- how their arms did, round by round, on validation
    select * from search_trials;

create or replace view v_trouble as             -- what stopped an experiment, that of a fold among it
    select experiment_id, stage, side, null::integer as fold, note from trouble
    union all
    select f.experiment_id, t.stage, t.side, f.fold, t.note from folds f join trouble t on t.experiment_id = f.fold_id;

create or replace view v_comparisons as         -- candidate against best prompt, on everything both took
    select * from comparisons;
create or replace view v_gates as               -- every rule of a decision, and whether it holds
    select * from gates;
create or replace view v_stages as              -- the finished stages of each experiment, and how long they took
    select * from stages;
create or replace view v_selftest as            -- accidents planted in copies, and what the rules said
    select * from selftest;

create or replace view v_folds as               -- of cross-validation: what each fold was trained on, and its own exam
    select f.experiment_id, e.name as experiment, f.fold, f.fold_id, before.metric, before.arm as baseline_arm,
        before.mean as baseline, after.arm as candidate_arm, after.mean as candidate, before.n + before.n_unscored as n,
        t.n_rows, t.seconds as training_seconds
    from folds f join experiments e using (experiment_id)
        left join v_runs before on before.experiment_id = f.fold_id and before.side = 'base' and before.kind = 'task'
            and before.chosen and before.is_primary
        left join v_runs after on after.experiment_id = f.fold_id and after.side = 'candidate' and after.kind = 'task'
            and after.chosen and after.is_primary
        left join experiment_training x on x.experiment_id = f.fold_id left join training t using (training_id);

create or replace view v_splits as              -- which side of the training file's split each of its rows is on
    select x.experiment_id, e.name as experiment, s.side, s.example_id
    from experiment_splits x join experiments e using (experiment_id) join splits s using (split_id);

create or replace view v_tried as               -- candidates with marks on test questions, decided on or not; folds make one
    select a.experiment_id, r.suite_id, greatest(r.created_at, e.created_at) as seen_at,
        sha256(concat_ws(chr(31), json_merge_patch(r.identity, '{"name": null}'), r.prompter_id, r.generation, a.metric, coalesce(s.items, s.suite_id))) as look
    from arms a join experiments e using (experiment_id) join runs r using (run_id) join suites s on s.suite_id = r.suite_id
    where s.kind = 'task' and a.side = 'candidate' and a.chosen and a.metric = s.primary_metric
        and a.experiment_id not in (select fold_id from folds);

create or replace view v_same_exams as          -- pairs of test sets that share more than a tenth of the smaller one's questions
    with sizes as (select suite_id, count(*) as n from questions group by suite_id),
        shared as (
            select mine.suite_id, other.suite_id as other_id, count(*) as n
            from questions mine join questions other using (question) where other.suite_id <> mine.suite_id
            group by mine.suite_id, other.suite_id)
    select suite_id, other_id, shared.n as shared
    from shared join sizes mine using (suite_id) join sizes other on other.suite_id = other_id
    where shared.n > 0.1 * least(mine.n, other.n)
    union all
    select suite_id, suite_id, n from sizes;

create or replace view v_looks as               -- how often these test questions were looked at, this candidate included
    with tried as materialized (from v_tried),
        firsts as (select look, min(seen_at) as first_seen from tried group by look)
    select mine.experiment_id, count(distinct other.look) as looks
    from tried mine join firsts using (look) join v_same_exams e using (suite_id)
        join tried other on other.suite_id = e.other_id
    where other.look = mine.look or other.seen_at <= first_seen
    group by mine.experiment_id;

create or replace view v_decisions as           -- the verdict of each decided experiment, and why
    select d.*, e.name, e.file, e.frozen,
        l.looks as test_set_looks
    from decisions d join experiments e using (experiment_id) left join v_looks l using (experiment_id);

create or replace view v_earlier as            -- by decided experiment: the decisions on its test questions before its own
    with exams as (
            select distinct a.experiment_id, s.suite_id
            from arms a join runs r using (run_id) join suites s on s.suite_id = r.suite_id where s.kind = 'task'),
        decided as (                             -- for the first time; deciding again changes a decision's created_at
            select d.experiment_id, e.name, e.frozen, e.created_at as registered_at, d.verdict, d.exit_code,
                coalesce(s.finished_at, d.created_at) as decided_at
            from decisions d join experiments e using (experiment_id)
                left join stages s on s.experiment_id = d.experiment_id and s.stage = 'decide')
    select distinct mine.experiment_id, before.experiment_id as earlier_id, before.name, before.decided_at, before.verdict,
        before.exit_code, before.frozen, before.decided_at < now.registered_at as known_before
    from exams mine join v_same_exams e using (suite_id) join exams other on other.suite_id = e.other_id
        join decided now on now.experiment_id = mine.experiment_id
        join decided before on before.experiment_id = other.experiment_id
    where before.decided_at < now.decided_at;

create or replace view v_flips as                           -- test and regression examples answered better or worse
    with said as (                                          -- of a judge that decides, what both orders come to
        select experiment_id, example_id, max(grade) filter (candidate_first) as forward,
            max(grade) filter (not candidate_first) as turned
        from verdicts where purpose = 'exam' group by experiment_id, example_id),
    marks as (
        select null as experiment_id, run_id, example_id, metric, value from scores
        union all
        select r.experiment_id, r.run_id, w.example_id, r.metric,
            case when r.side = 'candidate' then w.worth else 1 - w.worth end
        from v_runs r join (
            select experiment_id, example_id, case when forward is null or turned is null then null
                when forward = 'first' and turned = 'second' then 1.0
                when forward = 'second' and turned = 'first' then 0.0 else 0.5 end as worth
            from said) w using (experiment_id)
        where r.metric = 'judge' and r.chosen and r.is_primary and r.kind = 'task')
    select b.experiment_id, b.kind, b.suite, b.metric, x.example_id, x.input, x.target, x.others, x.slices,
        b.arm as baseline_arm, before.value as baseline_value, coalesce(ab.answer, was.text) as baseline_text,
        c.arm as candidate_arm, after.value as candidate_value, coalesce(ac.answer, became.text) as candidate_text,
        -- what each model read, to the letter; how recorded answers were asked for is not known
        case when b.identity->>'engine' not like 'recorded%' then was.prompt end as baseline_prompt,
        case when c.identity->>'engine' not like 'recorded%' then became.prompt end as candidate_prompt,
        -- all that came, where thinking was taken off it
        case when ab.answer is not null then concat_ws(chr(10), nullif(was.reasoning, ''), was.text) end as baseline_raw,
        case when ac.answer is not null then concat_ws(chr(10), nullif(became.reasoning, ''), became.text) end
            as candidate_raw
    from v_runs b
        join v_runs c on c.experiment_id = b.experiment_id and c.suite_id = b.suite_id and c.metric = b.metric
        join marks before on before.run_id = b.run_id and before.metric = b.metric
            and coalesce(before.experiment_id, b.experiment_id) = b.experiment_id
        join marks after on after.run_id = c.run_id and after.metric = b.metric and after.example_id = before.example_id
            and coalesce(after.experiment_id, b.experiment_id) = b.experiment_id
        join examples x on x.suite_id = b.suite_id and x.example_id = before.example_id
        join answers ab on ab.run_id = b.run_id and ab.example_id = x.example_id
        join completions was on was.completion_id = ab.completion_id
        join answers ac on ac.run_id = c.run_id and ac.example_id = x.example_id
        join completions became on became.completion_id = ac.completion_id
    where b.side = 'base' and c.side = 'candidate' and b.chosen and c.chosen and b.is_primary
        and b.kind in ('task', 'regression') and before.value <> after.value;
