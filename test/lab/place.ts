// Addresses of the lab. They exist only inside its own network namespaces.
export const NETWORK = '10.79.0';
export const CLIENT = `${NETWORK}.100`;
