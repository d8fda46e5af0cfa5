import { crc32 } from 'node:zlib'
import { HEADER, type WireHeaders } from './wire.ts'

const CHECKSUM_BYTES = 4

/**
 * CRC-32 of a raw body, 4 bytes, in the header `body-crc32` from ingress to the sinks. The body hash cannot serve for
 * this: it leaves out the source's volatile fields and needs a key that sinks do not have.
 */
export const bodyChecksumOf = (raw: Buffer): Buffer => {
  const checksum = Buffer.allocUnsafe(CHECKSUM_BYTES)
  checksum.writeUInt32BE(crc32(raw))
  return checksum
}

/** Whether the body is the one that came in. True without the header: the record is of an earlier version. */
export const isBodyWhole = (headers: WireHeaders, raw: Buffer): boolean => {
  const checksum = headers[HEADER.bodyCrc32]
  return (
    checksum === undefined || (checksum.length === CHECKSUM_BYTES && checksum.readUInt32BE() === crc32(raw))
  )
}
