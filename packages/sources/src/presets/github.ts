import { identifyBy } from '../identify.ts'
import { hmacOverBody } from '../verifier/spec.ts'
import { defineSource } from './define-source.ts'

/** GitHub's webhooks, of either content type that it offers. */
export const github = defineSource('github', {
  verifier: hmacOverBody('x-hub-signature-256', 'hex', { prefix: 'sha256=' }),
  form: 'payload',
  identify: identifyBy({
    entityKey:
      '{repository.full_name|organization.login|header:x-github-hook-id|header:x-github-delivery|body-hash}',
    eventType: "{header:x-github-event|'event'}",
    dedupKey: '{header:x-github-delivery}',
  }),
})
