import type { WireRecord } from '@weir/contracts'
import type { Message } from 'kafkajs'
import { PassedRecord } from '../protocol/encoded-record.ts'

/** `encoded`: what the patched kafkajs writes instead of key, value and headers. */
type ExplicitMessage = Message & { readonly partition: number; readonly encoded?: Buffer }

export const messageOf = (record: WireRecord, partition: number): ExplicitMessage => {
  if (record instanceof PassedRecord) return { value: null, partition, encoded: record.encoded() }
  const { key, value, headers } = record
  return { key, value, headers, partition }
}
