import { isInRanges, parseCidr } from '@weir/contracts'

const LOOPBACK = ['127.0.0.0/8', '::1'].map(parseCidr)

/**
 * Whether what is sent to this host stays on this machine. An empty host means `localhost`; a path is a local socket.
 */
export const isLoopback = (host: string): boolean => {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase()
  return name === '' || name.startsWith('/') || /(^|\.)localhost\.?$/.test(name) || isInRanges(name, LOOPBACK)
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export interface DatabaseAccess {
  readonly host: string
  readonly user: string
  readonly password: string
  /** `unchecked`: the connection is encrypted, but the server's certificate is not verified. */
  readonly tls: 'none' | 'unchecked' | 'checked'
}

/** Reads a URL as `pg` does: non-empty query parameters override the parts before them. */
export const databaseAccess = (databaseUrl: string): DatabaseAccess => {
  const url = new URL(databaseUrl)
  // If a parameter occurs twice, `pg` uses the last one, even if it is empty.
  const last = Object.fromEntries(url.searchParams)
  const given = Object.fromEntries(Object.entries(last).filter(([, value]) => value !== ''))
  return {
    host: given.host ?? decoded(url.hostname),
    user: given.user ?? decoded(url.username),
    password: given.password ?? decoded(url.password),
    tls: tlsOf(given),
  }
}

const TLS_MODES = new Set(['prefer', 'require', 'verify-ca', 'verify-full'])

const tlsOf = (given: Readonly<Record<string, string>>): DatabaseAccess['tls'] => {
  const { ssl, sslmode, sslrootcert, uselibpqcompat } = given
  if (sslmode === 'disable') return 'none'
  if (sslmode === 'no-verify' || (sslmode === undefined && ssl === 'no-verify')) return 'unchecked'
  if (sslmode === undefined) {
    const hasFiles = (sslrootcert ?? given.sslcert ?? given.sslkey) !== undefined
    return hasFiles || ssl === 'true' || ssl === '1' ? 'checked' : 'none'
  }
  if (!TLS_MODES.has(sslmode)) return 'none'
  // `pg` itself verifies the certificate in every mode; with libpq's rules only these modes do.
  const asLibpq = uselibpqcompat === 'true'
  const isLax = sslmode === 'prefer' || (sslmode === 'require' && sslrootcert === undefined)
  return asLibpq && isLax ? 'unchecked' : 'checked'
}
