"""Getting stored rows out as files: CSV, Parquet, and workbooks for Excel.

sources.py   what there is to export, in an order that a person expects
formats.py   rows as the bytes of a file, a part at a time
files.py     a file that has its name once it is whole
frames.py    rows as data frames, for a shell or a notebook

The command line and the web view share all of it. Memory holds some pages of rows.
"""
