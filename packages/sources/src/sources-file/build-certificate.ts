import { IDENTITY_HINTS, identityOf, type CertificateSpec } from '../certificate/certificate-spec.ts'
import type { EntryProblem } from './entry-problem.ts'
import type { SourceEntry } from './schema.ts'

/** For an entry without problems. */
export const certificateOf = ({
  clientCertificate: certificate,
}: SourceEntry): { readonly clientCertificate?: CertificateSpec } => {
  if (certificate === undefined) return {}
  const { header, form } = certificate
  const identities = certificate.identities.map((text) => identityOf(form, text)!)
  return { clientCertificate: { header, form, identities } }
}

export const certificateProblems = ({ clientCertificate: certificate }: SourceEntry): EntryProblem[] => {
  if (certificate === undefined) return []
  const { form, identities } = certificate
  return identities.flatMap((text, index) =>
    identityOf(form, text) !== undefined
      ? []
      : [
          {
            path: ['clientCertificate', 'identities', index],
            message: `is not an identity of \`form: ${form}\`: ${IDENTITY_HINTS[form]}`,
          },
        ],
  )
}
