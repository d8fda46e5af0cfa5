import { identifyByTemplates } from '../../identify.ts'
import { defineSource } from '../define-source.ts'

const ITEMS_MAX = 5_000
/** By default Event Grid retries for a day. */
const RETRY_SPAN_SECS = 86_400

/**
 * Azure Event Grid's own schema, always an array. It signs nothing: a token in a header of the subscription or the
 * sender's address authenticates it.
 */
export const eventGrid = defineSource('event-grid', {
  verifier: { kind: 'address', tokenHeader: 'authorization', tokenSuffices: true },
  handshakes: ['event-grid', 'cloudevents'],
  origins: ['eventgrid.azure.net'],
  split: { path: [], itemsMax: ITEMS_MAX },
  retrySpanSecs: RETRY_SPAN_SECS,
  identify: identifyByTemplates({
    entityKey: '{subject|topic|id}',
    eventType: '{eventType}',
    dedupKey: '{topic}:{id}',
  }),
})
