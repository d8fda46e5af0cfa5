/** A variable of the environment; one that is set to nothing is not given. */
export const given = (name: string): string | undefined => {
  const value = process.env[name]
  return value === '' ? undefined : value
}
