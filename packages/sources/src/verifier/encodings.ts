import type { SignatureEncoding } from './spec.ts'

const ALPHABETS = {
  hex: /^[0-9a-fA-F]*$/,
  base64: /^[A-Za-z0-9+/]*={0,2}$/,
  base64url: /^[A-Za-z0-9_-]*$/,
} as const satisfies Record<SignatureEncoding, RegExp>

/**
 * The bytes, or undefined. Strict: `Buffer.from` would skip what is not of the alphabet, and so take a good signature
 * with anything behind it. Base64 is canonical: with padding, base64url without, and no spare bits set.
 */
export const decodeStrict = (text: string, encoding: SignatureEncoding): Buffer | undefined => {
  if (!ALPHABETS[encoding].test(text)) return undefined
  const bytes = Buffer.from(text, encoding)
  if (encoding === 'hex') return text.length === 2 * bytes.length ? bytes : undefined
  return bytes.toString(encoding) === text ? bytes : undefined
}
