import { standardWebhooks } from '../standards/standard-webhooks.ts'
import { identifyByTemplates } from '../../identify.ts'
import type { SignatureSpec } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** Senders that use Svix: Standard Webhooks with different header names. */
export const svix = defineSource('svix', {
  verifier: {
    ...(standardWebhooks.verifier as SignatureSpec),
    header: 'svix-signature',
    idHeader: 'svix-id',
    timestamp: { header: 'svix-timestamp', unit: 's', toleranceSecs: 300 },
  },
  identify: identifyByTemplates({
    entityKey: '{data.id|header:svix-id}',
    eventType: "{type|eventType|'event'}",
    dedupKey: '{header:svix-id}',
  }),
})
