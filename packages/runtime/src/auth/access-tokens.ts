import { createHash, timingSafeEqual } from 'node:crypto'
import { credentialsOf } from '@weir/contracts'
import type { Logger } from '../service/logger.ts'

/** The holder of an access token. */
export interface TokenHolder {
  readonly name: string
  readonly role: string
  /** Epoch ms from which the token is unknown; undefined: it never expires. */
  readonly expiresAt: number | undefined
}

interface KnownToken extends TokenHolder {
  readonly digest: Buffer
}

export interface TokenForm {
  /** Name of the setting, for messages. */
  readonly setting: string
  /** Roles that an entry may name behind `/`; an entry that names none has the first. */
  readonly roles: readonly [string, ...string[]]
  /** Whether each entry must begin with a name. */
  readonly named: boolean
}

/** `name[/role][@expiry]:token`; a token without a name must not contain a colon. */
const ENTRY =
  /^(?:(?<name>[\w.-]{1,64})(?:\/(?<role>[\w-]{1,32}))?(?:@(?<expiry>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?Z)?))?:)?(?<token>.+)$/s
/**
 * Looks like an entry with an expiry, so that a malformed expiry is not read as part of a token that never expires.
 */
const LIKE_EXPIRY = /^[\w.-]{1,64}(?:\/[\w-]{1,32})?@\d[^]*:/
const TOKEN_LENGTH_MIN = 16
const DAY_MS = 86_400_000
export const EXPIRY_NOTICE_MS = 14 * DAY_MS

interface Entry {
  readonly name: string | undefined
  readonly role: string | undefined
  readonly expiry: string | undefined
  readonly token: string
}

const entryOf = (text: string): Entry => (ENTRY.exec(text)?.groups ?? { token: text }) as unknown as Entry

/** Refuses 31 April and the like, which `Date` reads as the first day of the next month. */
const isMoment = (expiry: string): boolean => {
  const time = new Date(expiry)
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(expiry.slice(0, 10))
}

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Describes what is wrong with a list of tokens. The messages contain no token. */
export const tokenProblems = (
  entries: readonly string[],
  { setting, roles, named }: TokenForm,
): readonly string[] => [
  ...sharedTokens(entries, setting),
  ...entries.flatMap((text, i) => {
    const { name, role, expiry, token } = entryOf(text)
    const entry = `entry ${i + 1} of ${setting}`
    if (expiry === undefined ? name === undefined && LIKE_EXPIRY.test(text) : !isMoment(expiry))
      return [`${entry} has an expiry that is not a date: write 2027-01-31 or 2027-01-31T12:00Z.`]
    if (named && name === undefined)
      return [`${entry} has no name: write name:token, name/role:token or name@2027-01-31:token.`]
    if (role !== undefined && !roles.includes(role))
      return [`${entry} has an unknown role: use ${roles.join(' or ')}.`]
    if (named && token.length < TOKEN_LENGTH_MIN)
      return [
        `${entry} has a token of fewer than ${TOKEN_LENGTH_MIN} characters: use 32 random bytes as text.`,
      ]
    return []
  }),
]

/** One token under two names would let its holder be two people, or have two roles. */
const sharedTokens = (entries: readonly string[], setting: string): readonly string[] => {
  const first = new Map<string, { readonly at: number; readonly name: string | undefined }>()
  return entries.flatMap((text, i) => {
    const { name, token } = entryOf(text)
    const before = first.get(token)
    if (before === undefined) first.set(token, { at: i + 1, name })
    if (before === undefined || before.name === name) return []
    return [
      `entries ${before.at} and ${i + 1} of ${setting} are one token with two names: give each holder another.`,
    ]
  })
}

/** A set of access tokens. A holder may have several, so that one can be replaced without a gap. */
export class AccessTokens {
  readonly #known: KnownToken[] = []

  /** Adds entries for which `tokenProblems` returns nothing. */
  add(entries: readonly string[], { roles }: Pick<TokenForm, 'roles'>): this {
    entries.forEach((text, i) => {
      const { name, role, expiry, token } = entryOf(text)
      this.#known.push({
        name: name ?? `${roles[0]}-${i + 1}`,
        role: role ?? roles[0],
        expiresAt: expiry === undefined ? undefined : Date.parse(expiry),
        digest: digestOf(token),
      })
    })
    return this
  }

  /**
   * Returns the holder of the bearer token in an `Authorization` header, and undefined when the token is missing,
   * unknown or expired. Compares with every token in constant time.
   */
  find(authorization: string | undefined, now: number): TokenHolder | undefined {
    const token = credentialsOf('bearer', authorization)
    if (token === undefined) return undefined
    const given = digestOf(token)
    let found: KnownToken | undefined
    for (const known of this.#known) {
      if (timingSafeEqual(known.digest, given) && (known.expiresAt ?? Infinity) > now) found = known
    }
    return found && { name: found.name, role: found.role, expiresAt: found.expiresAt }
  }

  /** All holders, without their tokens. */
  get holders(): readonly TokenHolder[] {
    return this.#known.map(({ name, role, expiresAt }) => ({ name, role, expiresAt }))
  }

  /** Holders whose token expires within `withinMs` or has expired. */
  expiring(now: number, withinMs = EXPIRY_NOTICE_MS): readonly TokenHolder[] {
    return this.#known.filter(({ expiresAt }) => expiresAt !== undefined && expiresAt - now <= withinMs)
  }
}

/**
 * Logs, now and once a day, which tokens have expired or will expire within 14 days. Returns a function that stops it.
 */
export const warnOfExpiry = (tokens: AccessTokens, setting: string, logger: Logger): (() => void) => {
  const look = (): void => {
    const now = Date.now()
    for (const { name, role, expiresAt = now } of tokens.expiring(now)) {
      const facts = { name, role, expiresAt: new Date(expiresAt).toISOString() }
      const said = expiresAt <= now ? 'has expired' : 'will expire'
      logger.warn(
        facts,
        `a token ${said}: add a new token with the same name to ${setting}, then remove this one`,
      )
    }
  }
  look()
  const timer = setInterval(look, DAY_MS)
  timer.unref()
  return () => clearInterval(timer)
}
