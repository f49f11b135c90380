/** A parquet file is damaged, or holds more at once than is read. */
export class ParquetFault extends Error {}
