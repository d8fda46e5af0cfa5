const SEED = 0x9747b28c
const M = 0x5bd1e995

/** MurmurHash2, 32 bits, as in org.apache.kafka.common.utils.Utils.murmur2. */
const murmur2 = (data: Buffer): number => {
  const length = data.length
  const tail = length & ~3
  let hash = SEED ^ length
  for (let i = 0; i < tail; i += 4) {
    let k = Math.imul(data.readInt32LE(i), M)
    k = Math.imul(k ^ (k >>> 24), M)
    hash = Math.imul(hash, M) ^ k
  }
  const rest = length - tail
  if (rest === 3) hash ^= data[tail + 2]! << 16
  if (rest >= 2) hash ^= data[tail + 1]! << 8
  if (rest >= 1) hash = Math.imul(hash ^ data[tail]!, M)
  hash = Math.imul(hash ^ (hash >>> 13), M)
  return hash ^ (hash >>> 15)
}

/**
 * Kafka's murmur2 partition of a key (as the Java client's default partitioner computes it), for `count` partitions.
 */
export const partitionOf = (key: Buffer, count: number): number => (murmur2(key) & 0x7fffffff) % count
