/** Kafka's murmur2 partition of a key (as the Java client's default partitioner computes it), for `count` partitions. */
export declare const partitionOf: (key: Buffer, count: number) => number
