// Questions to the worker, with the token if there is one.
"use strict";

// The token comes in the fragment, which no browser sends to any server, or from the form.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem("token", given);
  history.replaceState(null, "", location.pathname);
}

export const hasToken = () => Boolean(sessionStorage.getItem("token"));
export const setToken = (token) => sessionStorage.setItem("token", token);

export class Locked extends Error {
  constructor(body) {
    super(body.error);
    this.token = body.token;
  }
}

export async function ask(path, values = {}) {
  const query = new URLSearchParams(values).toString();
  const token = sessionStorage.getItem("token") ?? "";
  // A header holds bytes: what is no token is not sent, and refused like any other.
  const headers = /^[\x21-\x7e]+$/.test(token) ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(query ? `${path}?${query}` : path, { headers });
  const body = await response.json();
  if (response.status === 401) throw new Locked(body);
  return { status: response.status, body };
}
