import { identifyBy } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** GitHub's webhooks, of either content type that it offers. */
export const github = defineSource('github', {
  verifier: hmacOverBody('x-hub-signature-256', 'hex', { prefix: 'sha256=' }),
  form: 'payload',
  identify: identifyBy({
    // Of the body alone: what is repeated under another id must come to the same partition.
    entityKey:
      '{repository.full_name|organization.login|enterprise.slug|installation.account.login|hook_id|sender.login|body-hash}',
    eventType: "{header:x-github-event|'event'}",
    dedupKey: '{header:x-github-delivery}',
  }),
})
