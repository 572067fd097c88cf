package kubetest

import "slices"

// An Account describes the owner of a token, and what the token may do.
type Account struct {
	Name      string // the name of the user in the texts of refusals
	Namespace string // the namespace in which the Rules hold. Empty: all
	Rules     []Rule

	ClusterRules []Rule // these hold in all namespaces
}

// A Rule is a rule of a Role. It allows the Verbs on the Resources. "*" stands for
// everything.
type Rule struct {
	APIGroups     []string // "" is the core group
	Resources     []string // such as "deployments" and "deployments/scale"
	ResourceNames []string // empty: all. A list or watch names one by the field selector metadata.name
	Verbs         []string // get, list, watch, create, update, patch, delete
}

type account struct {
	Account
	admin bool
	cut   chan struct{} // closed when the account is cut off
}

// AddAccount adds a token, or replaces the account of a token.
func (s *Server) AddAccount(token string, a Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cut := make(chan struct{})
	if old := s.accounts[token]; old != nil {
		cut = old.cut
	}
	s.accounts[token] = &account{Account: a, cut: cut}
}

// authorize returns why q may not be carried out. It makes no difference whether the object
// exists.
func (s *Server) authorize(q *query) *apiError {
	user := "system:anonymous"
	switch {
	case q.account != nil && q.account.admin:
		return nil
	case q.account != nil:
		user = q.account.Name
	case q.Header.Get("Authorization") != "":
		return unauthorized()
	}
	if q.account != nil {
		rules := q.account.ClusterRules
		if q.account.Namespace == "" || q.account.Namespace == q.ns {
			rules = slices.Concat(rules, q.account.Rules)
		}
		for _, r := range rules {
			if r.allows(q) {
				return nil
			}
		}
	}
	return forbidden(q, user)
}

func (r Rule) allows(q *query) bool {
	has := func(list []string, what string) bool {
		return slices.Contains(list, what) || slices.Contains(list, "*")
	}
	res := q.res.plural
	if q.sub != "" {
		res += "/" + q.sub
	}
	name := q.name
	if name == "" && q.verb != "create" {
		name = fieldName(q.values.Get("fieldSelector"))
	}
	return has(r.Verbs, q.verb) && has(r.APIGroups, q.res.group) && has(r.Resources, res) &&
		(len(r.ResourceNames) == 0 || name != "" && slices.Contains(r.ResourceNames, name))
}
