-- Version 16: what a slice's difference is beside the other slices of its column; empty for what is no slice.
alter table comparisons add column pooled double;
alter table comparisons add column pooled_low double;
alter table comparisons add column pooled_high double;
