import { eventKeyOf, nullFields, OPTIONAL_FIELDS } from '@weir/contracts'
import type { RowEvent } from '../row-sink.ts'

/** An event of the given id without any optional field. */
export const rowEvent = (id: string, { source = 'cxone', ...changes }: Partial<RowEvent> = {}): RowEvent => ({
  ...nullFields(OPTIONAL_FIELDS),
  eventKey: eventKeyOf(source, id).toString('hex'),
  source,
  eventType: 't',
  interactionId: id,
  receivedAt: 1_700_000_000_000,
  processedAt: 1_700_000_000_001,
  schemaVersion: 'v',
  attributes: {},
  partsMissing: [],
  bodyHash: Buffer.alloc(8, 1),
  raw: Buffer.from('{}'),
  ...changes,
})
