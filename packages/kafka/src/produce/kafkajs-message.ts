import type { WireRecord } from '@weir/contracts'
import type { Message, RecordMetadata } from 'kafkajs'
import { PassedRecord } from '../protocol/encoded-record.ts'

/** `encoded`: what the patched kafkajs writes instead of key, value and headers. */
type ExplicitMessage = Message & { readonly partition: number; readonly encoded?: Buffer }

export const messageOf = (record: WireRecord, partition: number): ExplicitMessage => {
  if (record instanceof PassedRecord) return { value: null, partition, encoded: record.encoded() }
  const { key, value, headers } = record
  return { key, value, headers, partition }
}

/** kafkajs chooses a new partition on each retry for records without one. */
export const explicitPartition = ({ message }: { message: { partition?: number } }): number => {
  if (message.partition === undefined) throw new RangeError('a record without a partition')
  return message.partition
}

/** kafkajs can resolve a send without a result for the partition, which then was not written. */
export const acknowledgement = (
  results: readonly RecordMetadata[],
  topic: string,
  partition: number,
): RecordMetadata => {
  const result = results.find((one) => one.topicName === topic && one.partition === partition)
  if (result?.errorCode !== 0) throw new Error(`no acknowledgement for ${topic}/${partition}`)
  return result
}
