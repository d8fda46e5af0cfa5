import type { WireRecord } from '@weir/contracts'
import type { Message, RecordMetadata } from 'kafkajs'
import { ForwardedRecord } from '../protocol/encoded-record.ts'

/** The patched kafkajs writes `encoded` in place of key, value and headers. */
type ExplicitMessage = Message & { readonly partition: number; readonly encoded?: Buffer }

export const messageOf = (record: WireRecord, partition: number): ExplicitMessage => {
  if (record instanceof ForwardedRecord) return { value: null, partition, encoded: record.encoded() }
  const { key, value, headers } = record
  return { key, value, headers, partition }
}

/** For a record without a partition kafkajs would choose a new one on each retry. */
export const explicitPartition = ({ message }: { message: { partition?: number } }): number => {
  if (message.partition === undefined) throw new RangeError('a record without a partition')
  return message.partition
}

/** The result for a partition. kafkajs can resolve a send without one; the partition was not written then. */
export const acknowledgement = (
  results: readonly RecordMetadata[],
  topic: string,
  partition: number,
): RecordMetadata => {
  const result = results.find((one) => one.topicName === topic && one.partition === partition)
  if (result?.errorCode !== 0) throw new Error(`no acknowledgement for ${topic}/${partition}`)
  return result
}
