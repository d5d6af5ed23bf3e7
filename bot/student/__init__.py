"""A small encoder of another language, taught by one that knows English: their vectors lie in one space.

The student reads Korean and gives the vector that the teacher gives to the English sentence of the same meaning
(Reimers and Gurevych 2020, arXiv:2004.09813), so a message finds stored questions in either language.
"""
