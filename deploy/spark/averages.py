"""Average voltage by line, transformer and day, as a Spark job (see README.md).

The same result as `smartmeter batch averages`; it stands apart and imports nothing of
smart-meter, since Spark's workers have none of it.
"""

import argparse
from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own custom

KEY = ("line", "transformer", "year", "month", "day")
FORMAT = "org.apache.spark.sql.cassandra"
SAMPLE_ROWS = 10


def averages(raw: DataFrame, first: date | None, last: date | None) -> DataFrame:
    """Return the average voltage of each line, transformer and day."""
    day = F.col("year") * 10_000 + F.col("month") * 100 + F.col("day")
    if first is not None:
        raw = raw.where(day >= int(f"{first:%Y%m%d}"))
    if last is not None:
        raw = raw.where(day <= int(f"{last:%Y%m%d}"))
    mean = F.avg(F.col("voltage").cast("double")).cast("float")
    return (
        raw.groupBy(*KEY)
        .agg(mean.alias("voltage_avg"))
        .where("voltage_avg is not null")
    )


def main() -> None:
    """Read raw_data, show samples, upsert avg_voltage_by_transformer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keyspace", default="smartmeter")
    parser.add_argument("--from", dest="first", type=date.fromisoformat)
    parser.add_argument("--to", dest="last", type=date.fromisoformat)
    options = parser.parse_args()

    spark = SparkSession.builder.appName("smart-meter averages").getOrCreate()
    raw = (
        spark.read.format(FORMAT)
        .options(keyspace=options.keyspace, table="raw_data")
        .load()
    )
    raw.show(SAMPLE_ROWS)
    found = averages(raw, options.first, options.last).cache()
    found.show(SAMPLE_ROWS)
    (
        found.write.format(FORMAT)
        .options(keyspace=options.keyspace, table="avg_voltage_by_transformer")
        .mode("append")  # upserts; "overwrite" would empty the table first
        .save()
    )
    print(f"{found.count()} averages are stored.")
    spark.stop()


if __name__ == "__main__":
    main()
