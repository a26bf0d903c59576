-- Version 12: gates carry their numbers, and are told apart by ids, whatever suites and metrics are called.
alter table gates add column gate_id varchar;
alter table gates add column threshold double;   -- the number of the rule, in its unit
alter table gates add column unit varchar;       -- score, relative, share, p, count, logit, s, or a currency's code
alter table gates add column value double;
alter table gates add column low double;
alter table gates add column high double;
alter table gates add column n integer;
alter table gates add column comparison integer; -- position of the comparison it rests on
update gates set unit = '', gate_id = case
    when name = 'gain over the best prompt' then 'gain'
    when name = 'gain over training seeds' then 'seeds'
    when kind = 'harm' and name in (select metric from comparisons c
        where c.experiment_id = gates.experiment_id and c.kind = 'metric') then concat('metric/', name)
    when kind = 'harm' and name not in ('judge', 'slices', 'regression') then concat('regression/', name)
    else replace(name, ' ', '_') end;
update gates set comparison = c.position, value = c.difference, low = c.low, high = c.high, n = c.n,
    unit = case when c.relative then 'relative' else 'score' end,
    threshold = case when c.kind = 'task' then c.margin else -c.margin end
    from comparisons c where c.experiment_id = gates.experiment_id and gates.gate_id = case c.kind
        when 'task' then 'gain' when 'judge' then 'judge' when 'metric' then concat('metric/', c.metric)
        when 'regression' then concat('regression/', c.suite) end;
