-- Version 14: a judge's preference is corrected for its errors, length among them.
alter table verdicts add column longer varchar;          -- the longer answer of the pair: first, second or tie; null: not kept then
alter table verdicts add column cluster varchar;         -- pairs of one prompt share it (calibration only)
alter table comparisons add column as_judged double;     -- the judge's own preference, where the difference is a corrected one
