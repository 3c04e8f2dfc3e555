"""Reports of runs: built once as plain data from records, written as html, md, json or pdf."""
