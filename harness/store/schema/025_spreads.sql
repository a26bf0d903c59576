-- Version 25: of a question that was answered several times, how far the marks of its answers lie apart.
alter table scores add column spread double;     -- their variance, without bias; null for one answer
