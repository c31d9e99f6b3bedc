// Nothing: what workerd itself costs.
export default { fetch: () => new Response("{}", { headers: { "content-type": "application/json" } }) };
