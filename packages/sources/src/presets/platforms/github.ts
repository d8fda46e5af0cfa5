import { identifyByTemplates } from '../../identify.ts'
import { hmacOverBody } from '../../verifier/spec.ts'
import { defineSource } from '../define-source.ts'

/** GitHub's webhooks in either of the content types that GitHub offers. */
export const github = defineSource('github', {
  verifier: hmacOverBody('x-hub-signature-256', 'hex', { prefix: 'sha256=' }),
  form: 'payload',
  identify: identifyByTemplates({
    // From the body only, because a repeat under another id must reach the same partition.
    entityKey:
      '{repository.full_name|organization.login|enterprise.slug|installation.account.login|hook_id|sender.login|body-hash}',
    eventType: "{header:x-github-event|'event'}",
    dedupKey: '{header:x-github-delivery}',
  }),
})
