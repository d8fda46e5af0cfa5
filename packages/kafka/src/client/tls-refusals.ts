import { kafkaErrorType } from './kafka-client.ts'

const UNKNOWN_AUTHORITY =
  'a broker has a certificate of an authority that is not trusted: set KAFKA_SSL_CA to the certificate of that authority'

/** What to do when a broker's certificate is not accepted, by the error code of Node. */
const ADVICE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'the certificate of a broker in KAFKA_BROKERS has expired: renew it on the broker',
  CERT_NOT_YET_VALID:
    'the certificate of a broker in KAFKA_BROKERS is not valid yet: check the clocks of this machine and of its authority',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'the certificate of a broker does not have the name in KAFKA_BROKERS: set KAFKA_BROKERS to a name that it has, or ' +
    'add the name to the certificate',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  CERT_SIGNATURE_FAILURE: UNKNOWN_AUTHORITY,
}

/** What to do about a broker's certificate that is not accepted; undefined: the error has another cause. */
export const tlsAdvice = (error: unknown): string | undefined => ADVICE[kafkaErrorType(error)]
