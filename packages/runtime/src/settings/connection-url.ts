import { isInRanges, parseCidr } from '@weir/contracts'

const LOOPBACK = ['127.0.0.0/8', '::1'].map(parseCidr)

/** Whether what is sent there stays on this machine. Empty: the client takes `localhost`; a path: a socket of this machine. */
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
  /** `unchecked`: encrypted, to whoever answers. */
  readonly tls: 'none' | 'unchecked' | 'checked'
}

/** What `pg` makes of a URL: parameters of its query win over what stands before it, unless they are empty. */
export const databaseAccess = (databaseUrl: string): DatabaseAccess => {
  const url = new URL(databaseUrl)
  // Of a parameter that comes twice `pg` takes the last, empty or not.
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
  // By itself `pg` checks the certificate in each mode; as libpq does it, only in these.
  const asLibpq = uselibpqcompat === 'true'
  const isLax = sslmode === 'prefer' || (sslmode === 'require' && sslrootcert === undefined)
  return asLibpq && isLax ? 'unchecked' : 'checked'
}
