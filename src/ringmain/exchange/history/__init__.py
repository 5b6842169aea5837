"""The exchange's history: the tape as Parquet, SQL over it, reports, statements and surveillance."""
