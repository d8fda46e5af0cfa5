import { identifyByTemplates } from '../identify.ts'
import { hmacOverBody } from '../verifier/spec.ts'
import { defineSource } from './define-source.ts'

/** Only the defaults. The sources file configures the rest. */
export const custom = defineSource('custom', {
  verifier: hmacOverBody('x-signature', 'hex'),
  identify: identifyByTemplates({
    entityKey: '{id|body-hash}',
    eventType: "{type|'event'}",
    dedupKey: '{id}',
  }),
})
