import { identifyByTemplates } from '../../identify.ts'
import { defineSource } from '../define-source.ts'

/** Senders that follow Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`. */
export const standardWebhooks = defineSource('standard-webhooks', {
  verifier: {
    kind: 'hmac',
    header: 'webhook-signature',
    algorithm: 'sha256',
    encoding: 'base64',
    prefix: '',
    form: 'list',
    label: 'v1',
    ed25519Label: 'v1a',
    content: '{id}.{timestamp}.{body}',
    secretEncoding: 'whsec',
    idHeader: 'webhook-id',
    timestamp: { header: 'webhook-timestamp', unit: 's', toleranceSecs: 300 },
  },
  identify: identifyByTemplates({
    entityKey: '{data.id|header:webhook-id}',
    eventType: "{type|'event'}",
    dedupKey: '{header:webhook-id}',
  }),
})
