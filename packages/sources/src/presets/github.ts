import { identifyBy } from '../identify.ts'
import { hmacOverBody } from '../verifier/spec.ts'
import { defineSource } from './define-source.ts'

/** GitHub's webhooks with content type `application/json`. */
export const github = defineSource('github', {
  verifier: hmacOverBody('x-hub-signature-256', 'hex', { prefix: 'sha256=' }),
  identify: identifyBy({
    entityKey:
      '{repository.full_name|organization.login|header:x-github-hook-id|header:x-github-delivery|body-hash}',
    eventType: "{header:x-github-event|'event'}",
    dedupKey: '{header:x-github-delivery}',
  }),
})
